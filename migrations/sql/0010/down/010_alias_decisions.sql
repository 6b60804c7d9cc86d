drop view analytics.alias_decisions;
