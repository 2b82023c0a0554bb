-- Takes the webhook endpoints and their secrets away.
SET LOCAL lock_timeout = '2s';

DROP TABLE webhook_secrets;
DROP TABLE webhook_endpoints;
