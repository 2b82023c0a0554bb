-- Where the events of orders are sent: the endpoints that operators add, and the secrets that sign what is sent.

SET LOCAL lock_timeout = '2s';

CREATE TABLE webhook_endpoints (
    id              uuid        NOT NULL,
    url             text        NOT NULL,
    events          text[]      NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    disabled_at     timestamptz,
    disabled_reason text,
    failures        integer     NOT NULL DEFAULT 0,
    failing_since   timestamptz,
    failed_at       timestamptz,
    last_error      text,
    open_until      timestamptz,
    trial_until     timestamptz,
    delivered_at    timestamptz,
    probes          integer     NOT NULL DEFAULT 0,
    probe_at        timestamptz,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_endpoints_url_length CHECK (char_length(url) BETWEEN 1 AND 2048),
    CONSTRAINT webhook_endpoints_events_not_empty CHECK (cardinality(events) BETWEEN 1 AND 32),
    CONSTRAINT webhook_endpoints_disabled_has_reason CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT webhook_endpoints_disabled_reason_known CHECK (disabled_reason IN ('operator', 'gone', 'failing')),
    CONSTRAINT webhook_endpoints_failures_not_negative CHECK (failures >= 0 AND probes >= 0),
    CONSTRAINT webhook_endpoints_failing_has_failures CHECK ((failing_since IS NULL) = (failures = 0))
);
COMMENT ON TABLE webhook_endpoints IS 'Receivers of events, managed by `order-food webhooks`.';
COMMENT ON COLUMN webhook_endpoints.id IS 'UUID version 7.';
COMMENT ON COLUMN webhook_endpoints.url IS 'Where events are sent by POST.';
COMMENT ON COLUMN webhook_endpoints.events IS 'The types of events that it wants: order.placed.';
COMMENT ON COLUMN webhook_endpoints.created_at IS 'When it was added, in database time.';
COMMENT ON COLUMN webhook_endpoints.disabled_at IS 'When it was switched off; null while it is active.';
COMMENT ON COLUMN webhook_endpoints.disabled_reason IS
    'operator: by `order-food webhooks disable`; gone: it answered 410; failing: every attempt failed for too long. '
    'The last two are probed and switched on again once a probe is answered with 2xx.';
COMMENT ON COLUMN webhook_endpoints.failures IS 'Failed attempts since the last success.';
COMMENT ON COLUMN webhook_endpoints.failing_since IS 'The first of them; null when there is none.';
COMMENT ON COLUMN webhook_endpoints.failed_at IS 'The last failed attempt of all.';
COMMENT ON COLUMN webhook_endpoints.last_error IS 'Why it failed; never the secret, nor what the receiver answered in the body.';
COMMENT ON COLUMN webhook_endpoints.open_until IS
    'The circuit breaker: until then deliveries fail without an attempt; null while fewer than 5 attempts in a row have failed.';
COMMENT ON COLUMN webhook_endpoints.trial_until IS 'Once the circuit may close again, one delivery tries it; the others wait for its outcome until then.';
COMMENT ON COLUMN webhook_endpoints.delivered_at IS 'The last success, exact to a minute.';
COMMENT ON COLUMN webhook_endpoints.probes IS 'Failed probes since it was switched off.';
COMMENT ON COLUMN webhook_endpoints.probe_at IS 'When it is probed next; null while it is active and when an operator switched it off.';

-- A table of its own: a role that may not read a secret could not move it from one column to another.
CREATE TABLE webhook_secrets (
    id          uuid        NOT NULL,
    endpoint_id uuid        NOT NULL,
    secret      bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    CONSTRAINT webhook_secrets_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_secrets_secret_length CHECK (octet_length(secret) BETWEEN 24 AND 64),
    CONSTRAINT webhook_secrets_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE CASCADE
);
CREATE INDEX webhook_secrets_endpoint_id_idx ON webhook_secrets (endpoint_id);
COMMENT ON TABLE webhook_secrets IS
    'The secrets of the endpoints: one for each, more while it is being rotated. Each that has not expired signs.';
COMMENT ON COLUMN webhook_secrets.id IS 'UUID version 7.';
COMMENT ON COLUMN webhook_secrets.endpoint_id IS 'The endpoint whose deliveries it signs.';
COMMENT ON COLUMN webhook_secrets.secret IS 'The key of HMAC-SHA256: what follows whsec_, decoded. Only the role worker reads it.';
COMMENT ON COLUMN webhook_secrets.created_at IS 'When it was made, in database time.';
COMMENT ON COLUMN webhook_secrets.expires_at IS 'When it ceases to sign; null for the newest.';
