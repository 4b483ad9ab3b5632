-- Used by: policy_store_get.
SELECT document, changed_ms FROM policies WHERE model_id = :model;
