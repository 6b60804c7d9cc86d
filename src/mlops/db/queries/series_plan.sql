-- for the rest of the transaction joins by hash or merge: the planner knows nothing of series that have just been made
select set_config('enable_nestloop', 'off', true)
