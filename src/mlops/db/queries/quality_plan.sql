-- for the rest of the transaction reads by index: new partitions have no statistics yet, and would be scanned per series
select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)
