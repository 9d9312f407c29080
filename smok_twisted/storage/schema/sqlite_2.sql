-- History made small: an hour of a device as one chunk, a day as one summary (smok_twisted.history).

CREATE TABLE chunk (
    device INTEGER NOT NULL,
    hour INTEGER NOT NULL,                      -- since 1970 UTC
    octets BLOB NOT NULL,
    PRIMARY KEY (device, hour)
) WITHOUT ROWID;

CREATE TABLE summary (
    device INTEGER NOT NULL,
    day INTEGER NOT NULL,                       -- since 1970 UTC
    octets BLOB NOT NULL,
    PRIMARY KEY (device, day)
) WITHOUT ROWID;

-- Hours with reports that are in no chunk yet. The mark is another one with each batch for the hour.
CREATE TABLE unpacked (
    device INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    hour INTEGER NOT NULL,
    mark INTEGER NOT NULL,
    PRIMARY KEY (device, hour)
) WITHOUT ROWID;
CREATE INDEX unpacked_hour ON unpacked (hour);

INSERT INTO unpacked (device, hour, mark)
SELECT DISTINCT device, time_us / 3600000000, 1 FROM report JOIN device ON device = number;
