drop view analytics.decisions;
