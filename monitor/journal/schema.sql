-- Layout 3 of the journal (PRAGMA user_version). Run once, in one transaction, on an empty database. An older journal
-- comes to the same by from_1.sql and from_2.sql.

-- What must be one number: `next_seq`, the position of the next event. It only grows, so that a position is never
-- given twice, whatever is deleted.
CREATE TABLE counters (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('next_seq', 0);

-- The facts. `seq` is dense from 0 and is the leaf's index in the Merkle log. `leaf` is JSON: all that was recorded
-- but the content, of which it holds salted hashes. `leaf_hash` is SHA-256 of a zero byte and the leaf (RFC 6962).
CREATE TABLE events (
  seq           INTEGER PRIMARY KEY,
  key           TEXT    NOT NULL,
  revision      INTEGER NOT NULL,
  kind          TEXT    NOT NULL,
  content_bytes INTEGER NOT NULL, -- what its content weighed when it came
  leaf          BLOB    NOT NULL,
  leaf_hash     BLOB    NOT NULL
);
CREATE UNIQUE INDEX events_by_key ON events (key, revision);
CREATE INDEX source_gaps ON events (seq) WHERE kind = 'source_gap';

-- Personal or confidential text, apart so that it can be erased: id = seq * 256 + number of the field within the
-- event. Values are UTF-8 in BLOBs: what the hash in the leaf covers, byte for byte, NUL included; long ones are packed.
-- Salt and value go together, so that an erased value can't be guessed from its hash.
CREATE TABLE content (
  id     INTEGER PRIMARY KEY,
  field  TEXT NOT NULL,
  salt   BLOB NOT NULL,
  value  BLOB NOT NULL,
  packed INTEGER NOT NULL DEFAULT 0 -- 1: the value is zlib's form of what the hash covers
);

-- The way from an id to turns (`turn`: ref is the turn's id), or from a turn to what speaks of it (`alert`, `gap`,
-- `note`: ref is an event's key). A turn's own id needs no row: its events' keys begin with it.
CREATE TABLE names (
  name TEXT NOT NULL,
  what TEXT NOT NULL,
  ref  TEXT NOT NULL,
  PRIMARY KEY (name, what, ref)
) WITHOUT ROWID;

-- How far each source was read.
CREATE TABLE sources (
  name         TEXT PRIMARY KEY,
  position     BLOB NOT NULL,
  committed_at INTEGER -- when that was said last (ns since 1970 UTC), to the minute; NULL: before layout 2
) WITHOUT ROWID;

-- What each source has told so far and must know again, in the source's own words; committed with the events that it
-- speaks of. Content has no place here, as erasing does not reach it.
CREATE TABLE memories (
  source TEXT NOT NULL,
  key    TEXT NOT NULL,
  value  BLOB NOT NULL,
  PRIMARY KEY (source, key)
) WITHOUT ROWID;

-- How far each consumer is: everything with seq < position is done.
CREATE TABLE cursors (
  consumer TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  state    TEXT    NOT NULL
) WITHOUT ROWID;

-- What consumers derive from the facts, committed with their cursors.
CREATE TABLE projections (
  consumer TEXT NOT NULL,
  key      TEXT NOT NULL,
  value    BLOB NOT NULL,
  PRIMARY KEY (consumer, key)
) WITHOUT ROWID;

-- Events that a consumer gave up on. Beside the running sidecar, commands write to this table and the next alone.
CREATE TABLE rejected (
  consumer TEXT    NOT NULL,
  seq      INTEGER NOT NULL,
  reason   TEXT    NOT NULL,
  detail   TEXT    NOT NULL,
  attempts INTEGER NOT NULL,
  at       INTEGER NOT NULL, -- ns since 1970 UTC
  retry_at INTEGER,          -- when a person asked for another delivery; NULL: nobody did
  PRIMARY KEY (consumer, seq)
) WITHOUT ROWID;
CREATE INDEX rejected_marked ON rejected (consumer, seq) WHERE retry_at IS NOT NULL;

-- How many of those a person gave up for good.
CREATE TABLE dropped (
  consumer TEXT    NOT NULL,
  reason   TEXT    NOT NULL,
  events   INTEGER NOT NULL,
  PRIMARY KEY (consumer, reason)
) WITHOUT ROWID;
