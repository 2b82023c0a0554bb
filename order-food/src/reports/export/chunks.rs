//! Reads orders and sales piece by piece, each in a short transaction of its own.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::sql_types::{BigInt, Date, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Data, ExportRequest};
use crate::orders::{Order, orders_at};
use crate::reports::{Days, Dimension, Sums};

/// Orders of a piece, at most: with 100 lines each, some 20 MB.
const ORDERS: usize = 2_000;
/// Rows of a piece of sales, at most.
const ROWS: usize = 5_000;

/// A piece of what is exported.
pub(crate) enum Chunk {
    /// Orders with the times at which they were stored.
    Orders(Vec<(DateTime<Utc>, Order)>),
    /// Rows of `sales_daily` of one dimension.
    Sales(Vec<DailyRow>),
}

impl Chunk {
    pub(crate) fn len(&self) -> usize {
        match self {
            Chunk::Orders(orders) => orders.len(),
            Chunk::Sales(rows) => rows.len(),
        }
    }
}

/// A row of `sales_daily`.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct DailyRow {
    #[diesel(sql_type = Date)]
    pub(crate) day: NaiveDate,
    #[diesel(sql_type = Text)]
    pub(crate) key: String,
    #[diesel(embed)]
    pub(crate) sums: Sums,
}

/// Where the pieces of an export come from.
pub(crate) enum Source {
    Orders(Orders),
    Sales(Sales),
}

impl Source {
    /// What a request asks for, at its beginning.
    pub(crate) async fn of(
        connection: &mut AsyncPgConnection,
        request: &ExportRequest,
        time_zone: &str,
    ) -> QueryResult<Source> {
        Ok(match request.data {
            Data::Orders => Source::Orders(Orders::of(connection, request.days, time_zone).await?),
            Data::Sales => Source::Sales(Sales::of(request.days, request.by)),
        })
    }

    /// The next piece, perhaps an empty one; `None` at the end.
    pub(crate) async fn next(&mut self, connection: &mut AsyncPgConnection) -> QueryResult<Option<Chunk>> {
        match self {
            Source::Orders(orders) => Ok(orders.next(connection).await?.map(Chunk::Orders)),
            Source::Sales(sales) => Ok(sales.next(connection).await?.map(Chunk::Sales)),
        }
    }

    /// Share that was read, in percent.
    pub(crate) fn percent(&self) -> i64 {
        match self {
            Source::Orders(orders) => orders.percent(),
            Source::Sales(sales) => sales.percent(),
        }
    }
}

/// The orders of a range of days that were there when the export began, by time and id.
///
/// The index on `created_at` finds blocks, not an order: so each piece has an upper bound in time
/// as well, which is moved until a piece is about full.
pub(crate) struct Orders {
    days: Days,
    time_zone: String,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    /// The last order that was read.
    after: (DateTime<Utc>, Uuid),
    width: TimeDelta,
}

const BOUNDS: &str = "
    SELECT ($1::timestamp AT TIME ZONE $3) - interval '3 hours' AS first,
        least((($2 + 1)::timestamp AT TIME ZONE $3) + interval '3 hours', now()) AS last";

const NEXT: &str = "
    SELECT id, created_at FROM orders
    WHERE created_at >= $1 AND created_at < $2 AND (created_at, id) > ($1, $3)
        AND (created_at AT TIME ZONE $4)::date BETWEEN $5 AND $6
    ORDER BY created_at, id LIMIT $7";

#[derive(QueryableByName)]
struct Bounds {
    #[diesel(sql_type = Timestamptz)]
    first: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    last: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
}

impl Orders {
    /// The orders of the days of a time zone.
    async fn of(connection: &mut AsyncPgConnection, days: Days, time_zone: &str) -> QueryResult<Orders> {
        let bounds: Bounds = diesel::sql_query(BOUNDS)
            .bind::<Date, _>(days.from())
            .bind::<Date, _>(days.to())
            .bind::<Text, _>(time_zone)
            .get_result(connection)
            .await?;
        Ok(Orders {
            days,
            time_zone: time_zone.to_owned(),
            start: bounds.first,
            end: bounds.last,
            after: (bounds.first, Uuid::nil()),
            width: TimeDelta::hours(1),
        })
    }

    async fn next(
        &mut self,
        connection: &mut AsyncPgConnection,
    ) -> QueryResult<Option<Vec<(DateTime<Utc>, Order)>>> {
        let (from, id) = self.after;
        if from >= self.end {
            return Ok(None);
        }
        let found: Vec<Found> = diesel::sql_query(NEXT)
            .bind::<Timestamptz, _>(from)
            .bind::<Timestamptz, _>(self.until())
            .bind::<diesel::sql_types::Uuid, _>(id)
            .bind::<Text, _>(&self.time_zone)
            .bind::<Date, _>(self.days.from())
            .bind::<Date, _>(self.days.to())
            .bind::<BigInt, _>(i64::try_from(ORDERS).unwrap_or(i64::MAX))
            .load(connection)
            .await?;
        let times = found.into_iter().map(|found| (found.created_at, found.id));
        let orders = orders_at(connection, times.collect()).await?;
        match orders.last() {
            Some((created_at, order)) if orders.len() >= ORDERS => {
                self.after = (*created_at, order.id);
                self.width = (self.width / 2).max(TimeDelta::milliseconds(1));
            }
            _ => {
                self.after = (self.until(), Uuid::nil());
                if orders.len() < ORDERS / 2 {
                    self.width = (self.width * 2).min(TimeDelta::days(30));
                }
            }
        }
        Ok(Some(orders))
    }

    /// Share of the time.
    fn percent(&self) -> i64 {
        let (done, all) = (self.after.0 - self.start, self.end - self.start);
        done.num_seconds() * 100 / all.num_seconds().max(1)
    }

    fn until(&self) -> DateTime<Utc> {
        (self.after.0 + self.width).min(self.end)
    }
}

/// The rows of `sales_daily` of one dimension, by day and key.
pub(crate) struct Sales {
    days: Days,
    by: Dimension,
    after: (NaiveDate, Option<String>),
}

const NEXT_SALES: &str = "
    SELECT day, key, orders, units, gross, discounts, total, cancelled_orders, cancelled_total
    FROM sales_daily
    WHERE dimension = $1 AND (day, key) > ($2, $3) AND day <= $4
    ORDER BY day, key LIMIT $5";

impl Sales {
    fn of(days: Days, by: Dimension) -> Sales {
        let before = days.from().pred_opt().unwrap_or(NaiveDate::MIN);
        Sales {
            days,
            by,
            after: (before, None),
        }
    }

    async fn next(&mut self, connection: &mut AsyncPgConnection) -> QueryResult<Option<Vec<DailyRow>>> {
        // Behind every key of the day before.
        let (day, key) = match &self.after {
            (day, Some(key)) => (*day, key.as_str()),
            (before, None) => (*before, "\u{10FFFF}"),
        };
        let rows: Vec<DailyRow> = diesel::sql_query(NEXT_SALES)
            .bind::<Text, _>(self.by.name())
            .bind::<Date, _>(day)
            .bind::<Text, _>(key)
            .bind::<Date, _>(self.days.to())
            .bind::<BigInt, _>(i64::try_from(ROWS).unwrap_or(i64::MAX))
            .load(connection)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        self.after = (last.day, Some(last.key.clone()));
        Ok(Some(rows))
    }

    /// Share of the days.
    fn percent(&self) -> i64 {
        (self.after.0 - self.days.from()).num_days().max(0) * 100 / self.days.count()
    }
}
