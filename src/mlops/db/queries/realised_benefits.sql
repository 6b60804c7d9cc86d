-- what acting on recommendations about a model promised and what came true, in the order in which it was recommended
select * from analytics.realised_benefits where model = :name order by recommended_at, recommendation_id
