-- lets the planner know how much the file brought
analyze incoming, incoming_series
