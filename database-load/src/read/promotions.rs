use std::collections::HashMap;

use chrono::{DateTime, Utc};
use process::failure::Failure;
use serde::Serialize;
use shop::{CouponCode, Money, Promotion, PromotionKind};

use super::{Development, Seen};
use crate::input::Input;
use crate::table::{self, Column, Fields, Findings, optional, required, text};

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

/// A row of `promotions`, in the shape that `dataset_rows` keeps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PromotionRow<'a> {
    pub(super) code: &'a str,
    kind: &'static str,
    value: Money,
    min_items: u32,
    max_discount: Option<Money>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    max_uses: Option<u64>,
}

impl<'a> From<&'a Promotion> for PromotionRow<'a> {
    fn from(promotion: &'a Promotion) -> PromotionRow<'a> {
        PromotionRow {
            code: promotion.code.as_str(),
            kind: promotion.kind.name(),
            value: promotion.kind.value(),
            min_items: promotion.min_items,
            max_discount: promotion.max_discount,
            starts_at: promotion.starts_at,
            ends_at: promotion.ends_at,
            max_uses: promotion.max_uses,
        }
    }
}

pub(super) fn read(
    inputs: &[Input],
    findings: &mut Findings,
    development: &mut Development,
) -> Result<Vec<Promotion>, Failure> {
    let mut codes: Seen<CouponCode> = HashMap::new();
    let mut promotions = Vec::new();
    table::read(inputs, COLUMNS, findings, |mut fields| {
        let code = fields.required("code", code);
        if let Some(code) = &code {
            super::once(&mut codes, code.clone(), "code", &mut fields);
        }
        let kind = kind(&mut fields);
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
        development.note(&mut fields);
        if let (
            Some(code),
            Some(kind),
            Some(min),
            Some(max_discount),
            Some(starts_at),
            Some(ends_at),
            Some(uses),
        ) = (code, kind, min_items, max_discount, starts_at, ends_at, max_uses)
        {
            let min_items = min.and_then(|min| u32::try_from(min).ok()).unwrap_or(1);
            let max_uses = uses.and_then(|uses| u64::try_from(uses).ok());
            promotions.push(Promotion {
                code,
                kind,
                min_items,
                max_discount,
                starts_at,
                ends_at,
                max_uses,
            });
        }
    })?;
    Ok(promotions)
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
