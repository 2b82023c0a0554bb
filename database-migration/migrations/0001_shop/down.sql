-- Takes the shop's reference data away.
SET LOCAL lock_timeout = '2s';

DROP TABLE coupon_codes;
DROP TABLE promotion_uses;
DROP TABLE promotions;
DROP TABLE api_keys;
DROP TABLE users;
DROP TABLE products;
