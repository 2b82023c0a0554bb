//! 40 promotions; the first eleven are those of the profile `default`.

/// The columns are those of [`HEADER`].
const HEADER: &str = "code,kind,value,min_items,max_discount,starts_at,ends_at,max_uses";

const ROWS: [&str; 40] = [
    "SAVE10,percentage,10,,,,,",
    "HAPPYHOURS,percentage,18,,,,,",
    "HAPPYHRS,percentage,18,,,,,",
    "BUYGETONE,cheapest_item_free,,2,,,,",
    "BUYGETON,cheapest_item_free,,2,,,,",
    "FIFTYOFF,percentage,50,,,,,",
    "SIXTYOFF,percentage,60,,,,,",
    "BIRTHDAY,cheapest_item_free,,,,,,",
    "GNULINUX,percentage,15,,,,,",
    "OVER9000,fixed,9.00,,,,,",
    "FREEZAAA,percentage,100,,,,,",
    "WELCOME5,fixed,5.00,,,,,1000",
    "FIRSTBITE,percentage,20,,8.00,,,500",
    "FAMILY4,percentage,12,4,15.00,,,",
    "PARTY10,percentage,20,10,60.00,,,",
    "OFFICE8,percentage,15,8,40.00,,,",
    "LUNCH3,fixed,3.00,2,,,,",
    "SOUPSDAY,fixed,1.50,,,,,",
    "SUSHI42,percentage,8,3,,,,",
    "STUDENT7,percentage,7,,5.00,,,",
    "SENIOR7,percentage,7,,5.00,,,",
    "TEACHER5,percentage,5,,,,,",
    "LATEBIRD,percentage,12,,6.00,,,",
    "PICKUP2,fixed,2.00,,,,,",
    "APPONLY6,percentage,6,,,,,",
    "OCTOBER5,percentage,5,,,2025-10-01T00:00:00Z,2025-11-01T00:00:00Z,",
    "PUMPKIN,fixed,2.50,,,2025-10-01T00:00:00Z,2025-12-01T00:00:00Z,",
    "SPOOKY31,percentage,31,2,13.00,2025-10-31T00:00:00Z,2025-11-01T00:00:00Z,",
    "NOVEMBER5,percentage,5,,,2025-11-01T00:00:00Z,2025-12-01T00:00:00Z,",
    "BLACK25,percentage,25,3,20.00,2025-11-28T00:00:00Z,2025-12-01T00:00:00Z,",
    "ADVENT24,percentage,24,,12.00,2025-12-01T00:00:00Z,2025-12-25T00:00:00Z,",
    "DECEMBER5,percentage,5,,,2025-12-01T00:00:00Z,2026-01-01T00:00:00Z,",
    "XMASFEAST,cheapest_item_free,,4,,2025-12-24T00:00:00Z,2025-12-27T00:00:00Z,",
    "NEWYEAR26,percentage,26,,26.00,2025-12-31T00:00:00Z,2026-01-02T00:00:00Z,2026",
    "VALENTINE,cheapest_item_free,,2,,2026-02-13T00:00:00Z,2026-02-15T00:00:00Z,",
    "PIDAY314,fixed,3.14,,,2026-03-14T00:00:00Z,2026-03-15T00:00:00Z,314",
    "SPRING26,percentage,10,,10.00,2026-03-20T00:00:00Z,2026-06-21T00:00:00Z,",
    "SUMMER26,percentage,10,,10.00,2026-06-21T00:00:00Z,2026-09-23T00:00:00Z,",
    "AUTUMN26,percentage,10,,10.00,2026-09-23T00:00:00Z,2026-12-21T00:00:00Z,",
    "WINTER26,percentage,10,,10.00,2026-12-21T00:00:00Z,2027-03-20T00:00:00Z,",
];

/// What orders were placed with: code, how often compared with the others, fewest units, first and
/// last day of the 90. A code with `max_uses` is none of them: sample orders are not counted as
/// uses.
pub(crate) const USED: [(&str, u64, u64, u64, u64); 17] = [
    ("SAVE10", 30, 1, 0, 89),
    ("HAPPYHOURS", 12, 1, 0, 89),
    ("BUYGETONE", 12, 2, 0, 89),
    ("BIRTHDAY", 4, 1, 0, 89),
    ("GNULINUX", 2, 1, 0, 89),
    ("FAMILY4", 8, 4, 0, 89),
    ("OFFICE8", 3, 8, 0, 89),
    ("LUNCH3", 10, 2, 0, 89),
    ("STUDENT7", 8, 1, 0, 89),
    ("LATEBIRD", 4, 1, 0, 89),
    ("PICKUP2", 6, 1, 0, 89),
    ("APPONLY6", 8, 1, 0, 89),
    ("OCTOBER5", 10, 1, 0, 30),
    ("PUMPKIN", 6, 1, 0, 60),
    ("NOVEMBER5", 10, 1, 31, 60),
    ("ADVENT24", 10, 1, 61, 84),
    ("DECEMBER5", 8, 1, 61, 89),
];

pub(crate) fn csv() -> String {
    format!("{HEADER}\n{}\n", ROWS.join("\n"))
}
