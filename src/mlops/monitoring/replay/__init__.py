"""A monitor asked about the past, before it is switched on: alarms, delay and what a budget of alarms buys."""
