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
    orders (id) {
        id -> Uuid,
        created_at -> Timestamptz,
        api_key_id -> Uuid,
        coupon_code -> Nullable<Text>,
        subtotal -> Numeric,
        discount -> Numeric,
        total -> Numeric,
        status -> Text,
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

diesel::joinable!(api_keys -> users (user_id));
diesel::joinable!(dataset_rows -> dataset_versions (version));
diesel::joinable!(dataset_versions -> bootstrap_runs (run_id));
diesel::joinable!(promotion_uses -> promotions (code));

diesel::allow_tables_to_appear_in_same_query!(
    api_keys,
    bootstrap_runs,
    coupon_codes,
    dataset_rows,
    dataset_versions,
    idempotency_keys,
    migration_details,
    order_items,
    orders,
    products,
    promotion_uses,
    promotions,
    schema_migrations,
    users,
);
