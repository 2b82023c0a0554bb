//! How many partitions of the order tables lie ahead, for the metrics.

use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::{Integer, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Partitions whose first id has a later time than now, of the table that has fewer.
const AHEAD: &str = r"
    SELECT min(ahead)::int4 AS ahead FROM (
        SELECT count(*) FILTER (WHERE substring(bound FROM 'FROM \(''([0-9a-f-]{36})')::uuid > rpad(lpad(to_hex(
            (extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0'), 32, '0')::uuid) AS ahead
        FROM pg_inherits
        JOIN pg_class AS part ON part.oid = inhrelid
        CROSS JOIN LATERAL pg_get_expr(part.relpartbound, 0) AS bound
        WHERE inhparent IN (to_regclass('orders'), to_regclass('order_items')) AND NOT inhdetachpending
        GROUP BY inhparent
    ) AS of_table";

/// `None`: the tables have no partitions.
pub(super) async fn partitions_ahead(connection: &mut AsyncPgConnection) -> QueryResult<Option<i32>> {
    sql::<Nullable<Integer>>(AHEAD).get_result(connection).await
}
