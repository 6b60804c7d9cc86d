-- deletes observations or dates them anew, and records that as one decision; its number
select analytics.edit_observations(cast(:action as text), cast(:known_at as text), cast(:series_ids as bigint[]),
       cast(:first as timestamptz), cast(:until as timestamptz), cast(:decided_by as text), cast(:reason as text))
