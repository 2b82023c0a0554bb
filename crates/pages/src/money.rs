//! Amounts with their currency, as pages show them.

use std::borrow::Borrow;
use std::fmt;

use shop::Money;

/// A currency of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    code: &'static str,
    /// Digits after the point: 0, 2 or 3.
    digits: u8,
}

/// The text names no currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no currency of ISO 4217: three capital letters, like EUR")]
pub struct NotACurrency(String);

/// An amount that shows its currency.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    money: Money,
    currency: Currency,
}

/// The circulating currencies with two digits after the point.
const TWO_DIGITS: &str = "\
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP \
    CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS \
    KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD \
    PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP \
    TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG";
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";

/// Signs that are known everywhere; the other currencies are shown by their code.
const SIGNS: [(&str, &str); 8] = [
    ("EUR", "€"),
    ("GBP", "£"),
    ("ILS", "₪"),
    ("INR", "₹"),
    ("JPY", "¥"),
    ("KRW", "₩"),
    ("USD", "$"),
    ("VND", "₫"),
];

impl Currency {
    /// The currency with this code.
    ///
    /// # Errors
    /// [`NotACurrency`] when ISO 4217 has none.
    pub fn parse(code: &str) -> Result<Currency, NotACurrency> {
        [(TWO_DIGITS, 2), (NO_DIGITS, 0), (THREE_DIGITS, 3)]
            .into_iter()
            .find_map(|(codes, digits)| {
                let code = codes.split(' ').find(|known| *known == code)?;
                Some(Currency { code, digits })
            })
            .ok_or_else(|| NotACurrency(code.to_owned()))
    }

    /// Its three letters.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// `money` in this currency: `€1,234.50`, `CHF 12.90`, `¥1,250`.
    ///
    /// Hundredths are shown in every currency when they are not 0: an amount is never rounded.
    pub fn show(&self, money: impl Borrow<Money>) -> Shown {
        Shown {
            money: *money.borrow(),
            currency: *self,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Currency { code, digits } = self.currency;
        let cents = self.money.cents();
        if cents < 0 {
            out.write_str("−")?;
        }
        match SIGNS.iter().find(|(known, _)| *known == code) {
            Some((_, sign)) => out.write_str(sign)?,
            None => write!(out, "{code}\u{a0}")?,
        }
        let (whole, hundredths) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
        grouped(out, whole)?;
        match digits {
            0 if hundredths == 0 => Ok(()),
            3 => write!(out, ".{hundredths:02}0"),
            _ => write!(out, ".{hundredths:02}"),
        }
    }
}

/// Digits in groups of three.
fn grouped(out: &mut fmt::Formatter<'_>, number: u64) -> fmt::Result {
    match number {
        0..1_000 => write!(out, "{number}"),
        _ => {
            grouped(out, number / 1_000)?;
            write!(out, ",{:03}", number % 1_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str, cents: i64) -> String {
        Currency::parse(code)
            .unwrap()
            .show(Money::from_cents(cents))
            .to_string()
    }

    #[test]
    fn amounts_are_shown_as_the_currency_writes_them() {
        for (code, cents, text) in [
            ("EUR", 1299, "€12.99"),
            ("USD", 0, "$0.00"),
            ("USD", 99_999_999_999_999, "$999,999,999,999.99"),
            ("CHF", 100_000, "CHF\u{a0}1,000.00"),
            ("JPY", 125_000, "¥1,250"),
            ("JPY", 125_050, "¥1,250.50"),
            ("KWD", 125, "KWD\u{a0}1.250"),
            ("EUR", -5, "−€0.05"),
            ("EUR", 100_000_700, "€1,000,007.00"),
        ] {
            assert_eq!(shown(code, cents), text);
        }
    }

    #[test]
    fn only_codes_of_the_standard_are_currencies() {
        for code in ["", "eur", "EURO", "XYZ", "EU", "EUR ", "EUR USD"] {
            assert!(Currency::parse(code).is_err(), "{code:?}");
        }
        assert_eq!(Currency::parse("THB").unwrap().code(), "THB");
    }
}
