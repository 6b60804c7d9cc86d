drop function analytics.values_as_of(timestamptz, text, bigint[], timestamptz, timestamptz);
