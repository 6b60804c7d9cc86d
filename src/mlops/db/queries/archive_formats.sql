-- makes this transaction write numbers and times so that they can be read back exactly, and not wait long for locks
select set_config('extra_float_digits', '1', true), set_config('datestyle', 'ISO, YMD', true), set_config('timezone', 'UTC', true),
       set_config('lock_timeout', '3s', true)
