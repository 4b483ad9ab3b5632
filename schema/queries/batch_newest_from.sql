-- Used by: data_store_newest: the batch in which the newest :n rows after :after begin, and
-- how many rows there are from that batch on.
SELECT id, total FROM (SELECT id, sum(n_rows) OVER (ORDER BY id DESC) AS total
                       FROM batches WHERE model_id = :model AND id > :after)
ORDER BY total < :n, CASE WHEN total < :n THEN -total ELSE total END LIMIT 1;
