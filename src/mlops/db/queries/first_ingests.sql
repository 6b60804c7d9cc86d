-- the series whose first file this one is
select series_id from analytics.first_ingests where sha256 = :sha256
