-- the build of exactly this: set, definitions, selection, as_of and window
select * from analytics.feature_builds where build_sha256 = :build_sha256
