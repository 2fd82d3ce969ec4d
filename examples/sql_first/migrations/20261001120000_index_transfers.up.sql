-- headway: transactional=no

CREATE INDEX CONCURRENTLY transfers_debit ON transfers (debit);
CREATE INDEX CONCURRENTLY transfers_credit ON transfers (credit);
