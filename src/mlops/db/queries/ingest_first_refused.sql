-- the first refused rows of the file
select line, column_name, found, reason from incoming_refused order by line, column_name limit :most
