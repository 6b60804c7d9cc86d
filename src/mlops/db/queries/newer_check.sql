-- whether anything has been checked at a later time than :as_of
select exists (select from analytics.model_checks where as_of > :as_of)
    or exists (select from analytics.retraining_recommendations where as_of > :as_of)
