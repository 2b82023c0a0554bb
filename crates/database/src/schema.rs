//! The tables, as `diesel print-schema` writes them; a test compares them with the database.

// @generated automatically by Diesel CLI.

diesel::table! {
    api_keys (id) {
        id -> Uuid,
        key_hash -> Bytea,
        hash_key_id -> Text,
        user_id -> Uuid,
        scopes -> Array<Text>,
        expires_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        active -> Bool,
    }
}

diesel::table! {
    bootstrap_runs (id) {
        id -> Uuid,
        task -> Text,
        command -> Text,
        profile -> Nullable<Text>,
        started_at -> Timestamptz,
        heartbeat_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
        outcome -> Text,
        exit_code -> Nullable<Int2>,
        version -> Nullable<Int8>,
        rows_added -> Int8,
        rows_changed -> Int8,
        rows_retired -> Int8,
        message -> Nullable<Text>,
        build -> Text,
        host -> Text,
        trigger -> Text,
    }
}

diesel::table! {
    coupon_codes (version, code) {
        version -> Int8,
        code -> Text,
    }
}

diesel::table! {
    dataset_rows (version, dataset, key) {
        version -> Int8,
        dataset -> Text,
        key -> Text,
        row -> Jsonb,
        format -> Int2,
    }
}

diesel::table! {
    dataset_versions (version) {
        version -> Int8,
        profile -> Text,
        datasets -> Array<Text>,
        source_version -> Nullable<Int8>,
        fingerprint -> Bytea,
        content_sha256 -> Bytea,
        hash_key_id -> Text,
        format -> Int2,
        state -> Text,
        run_id -> Uuid,
        row_counts -> Jsonb,
        staged_at -> Timestamptz,
        activated_at -> Nullable<Timestamptz>,
        retired_at -> Nullable<Timestamptz>,
        pruned_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    idempotency_keys (api_key_id, key) {
        api_key_id -> Uuid,
        key -> Text,
        request_hash -> Bytea,
        order_id -> Uuid,
        response -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    job (id) {
        id -> Int8,
        kind -> Text,
        priority -> Int2,
        state -> Int2,
        run_at -> Timestamptz,
        created_at -> Timestamptz,
        locked_at -> Nullable<Timestamptz>,
        locked_by -> Nullable<Uuid>,
        attempt -> Int2,
        max_attempts -> Nullable<Int2>,
        rescues -> Int2,
        timeout_ms -> Int4,
        unique_key -> Nullable<Text>,
        payload -> Jsonb,
        trace_ctx -> Nullable<Text>,
        last_error -> Nullable<Text>,
        attempts -> Nullable<Jsonb>,
        progress -> Nullable<Jsonb>,
        cancel_requested_at -> Nullable<Timestamptz>,
        api_key_id -> Nullable<Uuid>,
        public_id -> Nullable<Uuid>,
        min_build -> Int4,
    }
}

diesel::table! {
    job_control (scope) {
        scope -> Text,
        paused_at -> Timestamptz,
        paused_by -> Text,
        reason -> Text,
    }
}

diesel::table! {
    job_dead (id) {
        id -> Int8,
        kind -> Text,
        priority -> Int2,
        created_at -> Timestamptz,
        died_at -> Timestamptz,
        reason -> Text,
        attempt -> Int2,
        max_attempts -> Nullable<Int2>,
        rescues -> Int2,
        timeout_ms -> Int4,
        unique_key -> Nullable<Text>,
        payload -> Jsonb,
        trace_ctx -> Nullable<Text>,
        last_error -> Nullable<Text>,
        attempts -> Nullable<Jsonb>,
        progress -> Nullable<Jsonb>,
        api_key_id -> Nullable<Uuid>,
        public_id -> Nullable<Uuid>,
        min_build -> Int4,
        replayed_as -> Nullable<Int8>,
        replayed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    job_result (public_id) {
        public_id -> Uuid,
        job_id -> Int8,
        kind -> Text,
        api_key_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        finished_at -> Timestamptz,
        attempt -> Int2,
        outcome -> Text,
        progress -> Nullable<Jsonb>,
        result -> Jsonb,
    }
}

diesel::table! {
    job_schedule (name) {
        name -> Text,
        last_slot -> Timestamptz,
    }
}

diesel::table! {
    job_worker (id) {
        id -> Uuid,
        pool -> Text,
        pod -> Text,
        version -> Text,
        filter -> Text,
        slots -> Int4,
        started_at -> Timestamptz,
        heartbeat_at -> Timestamptz,
    }
}

diesel::table! {
    migration_details (version) {
        #[max_length = 50]
        version -> Varchar,
        name -> Text,
        up_sha256 -> Bytea,
        down_sha256 -> Bytea,
        duration_ms -> Nullable<Int8>,
        build -> Text,
        min_compatible_schema -> Int4,
    }
}

diesel::table! {
    operator_actions (id) {
        id -> Int8,
        at -> Timestamptz,
        key_id -> Nullable<Uuid>,
        via -> Text,
        action -> Text,
        target -> Text,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
        outcome -> Text,
        request_id -> Nullable<Text>,
    }
}

diesel::table! {
    order_events (order_id, version) {
        order_id -> Uuid,
        version -> Int4,
        from_status -> Text,
        to_status -> Text,
        at -> Timestamptz,
        actor -> Text,
        actor_id -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        note -> Nullable<Text>,
        request_id -> Nullable<Text>,
    }
}

diesel::table! {
    order_items (order_id, line) {
        order_id -> Uuid,
        line -> Int2,
        product_id -> Int8,
        product_name -> Text,
        category -> Text,
        unit_price -> Numeric,
        quantity -> Int4,
    }
}

diesel::table! {
    order_life_cycle (single) {
        single -> Bool,
        began_at -> Timestamptz,
        answered_until -> Timestamptz,
    }
}

diesel::table! {
    order_states (order_id) {
        order_id -> Uuid,
        status -> Text,
        version -> Int4,
        ready_at -> Nullable<Timestamptz>,
        reason -> Nullable<Text>,
        changed_at -> Timestamptz,
        changed_xid -> Int8,
    }
}

diesel::table! {
    orders (id) {
        id -> Uuid,
        created_at -> Timestamptz,
        api_key_id -> Uuid,
        coupon_code -> Nullable<Text>,
        subtotal -> Numeric,
        discount -> Numeric,
        total -> Numeric,
        status -> Text,
        changed_xid -> Nullable<Int8>,
        promotion_use -> Nullable<Bool>,
    }
}

diesel::table! {
    products (id) {
        id -> Int8,
        name -> Text,
        price -> Numeric,
        category -> Text,
        image -> Nullable<Jsonb>,
        available -> Bool,
    }
}

diesel::table! {
    promotion_uses (code) {
        code -> Text,
        uses -> Int8,
    }
}

diesel::table! {
    promotions (code) {
        code -> Text,
        kind -> Text,
        value -> Numeric,
        min_items -> Int4,
        max_discount -> Nullable<Numeric>,
        starts_at -> Nullable<Timestamptz>,
        ends_at -> Nullable<Timestamptz>,
        max_uses -> Nullable<Int8>,
        active -> Bool,
    }
}

diesel::table! {
    sales_daily (dimension, day, key) {
        dimension -> Text,
        day -> Date,
        key -> Text,
        orders -> Int8,
        units -> Int8,
        gross -> Numeric,
        discounts -> Numeric,
        total -> Numeric,
        cancelled_orders -> Int8,
        cancelled_total -> Numeric,
    }
}

diesel::table! {
    sales_days_due (day) {
        day -> Date,
        counted_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sales_watermark (single) {
        single -> Bool,
        time_zone -> Text,
        cluster -> Int8,
        xid -> Int8,
        as_of -> Timestamptz,
    }
}

diesel::table! {
    schema_migrations (version) {
        version -> Int4,
        name -> Text,
        up_sha256 -> Bytea,
        down_sha256 -> Bytea,
        applied_at -> Timestamptz,
        duration_ms -> Int8,
        build -> Text,
        min_compatible_schema -> Int4,
    }
}

diesel::table! {
    users (id) {
        id -> Uuid,
        email -> Text,
        name -> Text,
        role -> Text,
        active -> Bool,
    }
}

diesel::table! {
    webhook_endpoints (id) {
        id -> Uuid,
        url -> Text,
        events -> Array<Text>,
        created_at -> Timestamptz,
        disabled_at -> Nullable<Timestamptz>,
        disabled_reason -> Nullable<Text>,
        failures -> Int4,
        failing_since -> Nullable<Timestamptz>,
        failed_at -> Nullable<Timestamptz>,
        last_error -> Nullable<Text>,
        open_until -> Nullable<Timestamptz>,
        trial_until -> Nullable<Timestamptz>,
        delivered_at -> Nullable<Timestamptz>,
        probes -> Int4,
        probe_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    webhook_secrets (id) {
        id -> Uuid,
        endpoint_id -> Uuid,
        secret -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::joinable!(api_keys -> users (user_id));
diesel::joinable!(dataset_rows -> dataset_versions (version));
diesel::joinable!(dataset_versions -> bootstrap_runs (run_id));
diesel::joinable!(promotion_uses -> promotions (code));
diesel::joinable!(webhook_secrets -> webhook_endpoints (endpoint_id));

diesel::allow_tables_to_appear_in_same_query!(
    api_keys,
    bootstrap_runs,
    coupon_codes,
    dataset_rows,
    dataset_versions,
    idempotency_keys,
    job,
    job_control,
    job_dead,
    job_result,
    job_schedule,
    job_worker,
    migration_details,
    operator_actions,
    order_events,
    order_items,
    order_life_cycle,
    order_states,
    orders,
    products,
    promotion_uses,
    promotions,
    sales_daily,
    sales_days_due,
    sales_watermark,
    schema_migrations,
    users,
    webhook_endpoints,
    webhook_secrets,
);
