"""How good forecasts are and who wins: accuracy, backtests, comparison beyond chance. Pure."""
