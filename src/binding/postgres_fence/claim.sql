-- claim($1 resource, $2 lease, $3 token) -> nothing, or SQLSTATE PL001: the token is stale
--
-- Locks the row of the resource and lease until the transaction ends, and keeps the token in it: check
-- and lock are one step, so that nothing can be claimed between them. The types, because a driver
-- sends its parameters without: a token may be a number, a bigint or a string.

SELECT claim_primary_lease_fence_2($1::text, $2::text, $3::bigint)
