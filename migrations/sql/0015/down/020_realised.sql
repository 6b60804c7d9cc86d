drop view analytics.realised_benefits;
