//! Promotions: codes that change a price.

use database::rows::{self, PromotionRow};
use process::failure::Failure;
use shop::{CouponCode, Money, Promotion, PromotionKind};

use super::table::{Table, column};
use super::{Dataset, Notes, Seen};
use crate::formats::{Column, Fields, optional, required, text};
use crate::sources::Input;

const COLUMNS: &[Column] = &[
    required("code"),
    required("kind"),
    optional("value"),
    optional("min_items"),
    optional("max_discount"),
    optional("starts_at"),
    optional("ends_at"),
    optional("max_uses"),
    optional("development"),
];

/// Limited promotions get their counter; counters that are there stay.
const TABLE: Table = Table {
    is_served: Some(|row| rows::served::<PromotionRow, Promotion>(row).map(drop)),
    complete: Some(
        "INSERT INTO promotion_uses (code)
         SELECT promotions.code FROM dataset_rows JOIN promotions ON promotions.code = dataset_rows.key
         WHERE version = $1 AND dataset = 'promotions' AND promotions.max_uses IS NOT NULL
         ON CONFLICT (code) DO NOTHING",
    ),
    ..Table::new(
        "promotions",
        &[
            column("code", "text"),
            column("kind", "text"),
            column("value", "numeric(10, 2)"),
            column("min_items", "integer"),
            column("max_discount", "numeric(10, 2)"),
            column("starts_at", "timestamptz"),
            column("ends_at", "timestamptz"),
            column("max_uses", "bigint"),
        ],
        Some("active"),
    )
};

pub(super) const PROMOTIONS: Dataset = Dataset {
    name: "promotions",
    tables: &[TABLE],
    own_keys: &[],
    refers_to: &[],
    span: || super::span!("dataload.loadPromotions", "promotions"),
    parse: |inputs, _, data, notes| {
        data.promotions = read(&inputs.sources, notes)?;
        Ok(())
    },
    counts: |data| vec![("promotions", data.promotions.len())],
    staged: |data| {
        let rows = data.promotions.iter().map(PromotionRow::from);
        super::staged(&TABLE, rows, |row| row.code.clone())
    },
};

fn read(inputs: &[Input], notes: &mut Notes) -> Result<Vec<Promotion>, Failure> {
    let mut codes = Seen::new();
    super::table(inputs, COLUMNS, notes, |fields| {
        let code = super::unique(&mut codes, "code", fields, code);
        let kind = kind(fields);
        let min_items = fields.optional("min_items", text::number(1, 100_000));
        let max_discount = fields.optional("max_discount", positive);
        let starts_at = fields.optional("starts_at", text::time);
        let ends_at = fields.optional("ends_at", text::time);
        if let (Some(Some(start)), Some(Some(end))) = (starts_at, ends_at)
            && end <= start
        {
            fields.reject("ends_at", "is not after starts_at");
        }
        let max_uses = fields.optional("max_uses", text::number(0, i64::MAX));
        Some(Promotion {
            code: code?,
            kind: kind?,
            min_items: min_items?.and_then(|min| u32::try_from(min).ok()).unwrap_or(1),
            max_discount: max_discount?,
            starts_at: starts_at?,
            ends_at: ends_at?,
            max_uses: max_uses?.and_then(|uses| u64::try_from(uses).ok()),
        })
    })
}

/// A code as clients can send it; one that begins or ends with a blank is a slip.
fn code(text: &str) -> Result<CouponCode, String> {
    let text = text::words(CouponCode::MAX_LENGTH)(text)?;
    CouponCode::parse(text).map_err(|error| error.to_string())
}

fn kind(fields: &mut Fields<'_>) -> Option<PromotionKind> {
    let name = fields.required("kind", |text| Ok::<_, String>(text.to_owned()));
    let value = fields.optional("value", Money::parse);
    match PromotionKind::new(&name?, value?.unwrap_or_default()) {
        Ok(kind) => Some(kind),
        Err(error) => {
            let column = if error == shop::NotAPromotion::Kind {
                "kind"
            } else {
                "value"
            };
            fields.reject(column, error.to_string());
            None
        }
    }
}

fn positive(text: &str) -> Result<Money, String> {
    let amount = Money::parse(text).map_err(|error| error.to_string())?;
    if amount == Money::ZERO {
        Err("is not above 0".into())
    } else {
        Ok(amount)
    }
}
