-- those of some series that are there, which nobody deletes before the transaction ends
select series_id from analytics.series where series_id = any(cast(:series_ids as bigint[])) order by series_id for key share
