"""What people see of a training or a backtest: descriptions, pages and pictures on MLflow's run."""
