-- Sales per day, kept up to date by background jobs, and the scopes that let keys see them.

SET LOCAL lock_timeout = '2s';

-- Without a default at first: rows that are there already are not written anew.
ALTER TABLE orders ADD COLUMN changed_xid bigint;
ALTER TABLE orders ALTER COLUMN changed_xid SET DEFAULT pg_current_xact_id()::text::bigint;
COMMENT ON COLUMN orders.changed_xid IS
    'The transaction that wrote the row last; null in rows from before this column. Reports find by it what was committed '
    'since they looked last, however late and with whatever id.';

CREATE TABLE sales_daily (
    dimension text             NOT NULL,
    day       date             NOT NULL,
    key       text COLLATE "C" NOT NULL,
    orders    bigint           NOT NULL,
    units     bigint           NOT NULL,
    gross     numeric(20, 2)   NOT NULL,
    discounts numeric(20, 2)   NOT NULL,
    total     numeric(20, 2)   NOT NULL,
    CONSTRAINT sales_daily_pkey PRIMARY KEY (dimension, day, key),
    CONSTRAINT sales_daily_dimension_known CHECK (dimension IN ('day', 'product', 'category', 'promotion')),
    CONSTRAINT sales_daily_total_adds_up CHECK (total = gross - discounts)
);
COMMENT ON TABLE sales_daily IS 'Sums over the stored orders of a day, once for each way to divide them. Made from orders, and can be made again.';
COMMENT ON COLUMN sales_daily.dimension IS 'How the day''s sales are divided: day (not at all), product, category or promotion.';
COMMENT ON COLUMN sales_daily.day IS 'The day of orders.created_at in sales_watermark.time_zone.';
COMMENT ON COLUMN sales_daily.key IS
    'The product''s id, the category, or the promotion''s code, empty for orders without a promotion; the day itself for day.';
COMMENT ON COLUMN sales_daily.orders IS 'Orders; one with several products counts for each of them.';
COMMENT ON COLUMN sales_daily.units IS 'Quantities added up.';
COMMENT ON COLUMN sales_daily.gross IS 'Price times quantity, added up.';
COMMENT ON COLUMN sales_daily.discounts IS 'An order''s discount, divided among its lines in proportion to their amounts, exact to the cent.';
COMMENT ON COLUMN sales_daily.total IS 'gross minus discounts.';

CREATE TABLE sales_days_due (
    day           date NOT NULL,
    counted_until timestamptz,
    CONSTRAINT sales_days_due_pkey PRIMARY KEY (day)
);
COMMENT ON TABLE sales_days_due IS 'Days whose rows of sales_daily have to be made again.';
COMMENT ON COLUMN sales_days_due.day IS 'The day.';
COMMENT ON COLUMN sales_days_due.counted_until IS
    'Its rows count every order that was committed before; null when they count no order for certain.';

CREATE TABLE sales_watermark (
    single    boolean NOT NULL DEFAULT true,
    time_zone text    NOT NULL,
    cluster   bigint  NOT NULL,
    xid       bigint  NOT NULL,
    as_of     timestamptz NOT NULL,
    CONSTRAINT sales_watermark_pkey PRIMARY KEY (single),
    CONSTRAINT sales_watermark_single CHECK (single)
);
COMMENT ON TABLE sales_watermark IS 'How far sales_daily has come: one row, none before the first refresh.';
COMMENT ON COLUMN sales_watermark.single IS 'Always true.';
COMMENT ON COLUMN sales_watermark.time_zone IS 'IANA name of the time zone whose days are counted.';
COMMENT ON COLUMN sales_watermark.cluster IS 'System identifier of the database server that xid belongs to.';
COMMENT ON COLUMN sales_watermark.xid IS
    'Every transaction below it had ended at the last refresh, whose days are counted or stand in sales_days_due.';
COMMENT ON COLUMN sales_watermark.as_of IS 'Time of the last refresh: all that was committed before is counted, or its day stands in sales_days_due.';

-- A row for each client, so that reading all of them takes no time.
ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_scopes_known,
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT api_keys_scopes_known CHECK (
        cardinality(scopes) > 0
        AND scopes <@ ARRAY['create_order', 'read_orders', 'read_all_orders', 'view_reports', 'operate']
    );
COMMENT ON COLUMN api_keys.scopes IS
    'What the key may do: create_order, read_orders (its own), read_all_orders, view_reports, operate (the jobs of all keys).';
