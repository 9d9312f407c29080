-- A day's summary is longer than what a table WITHOUT ROWID keeps in its page: each had a page of 4,096 octets to
-- itself. As an ordinary table several share one, and history takes an eighth less.

CREATE TABLE summary_3 (
    device INTEGER NOT NULL,
    day INTEGER NOT NULL,                       -- since 1970 UTC
    octets BLOB NOT NULL,
    PRIMARY KEY (device, day)
);
INSERT INTO summary_3 (device, day, octets) SELECT device, day, octets FROM summary ORDER BY device, day;
DROP TABLE summary;
ALTER TABLE summary_3 RENAME TO summary;
