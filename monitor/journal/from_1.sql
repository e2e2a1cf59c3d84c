-- A journal of layout 1 comes to layout 2 by this, in one transaction, when it is opened to write. schema.sql says
-- what each thing is for.

CREATE INDEX source_gaps ON events (seq) WHERE kind = 'source_gap';

ALTER TABLE sources ADD COLUMN committed_at INTEGER;

ALTER TABLE rejected ADD COLUMN retry_at INTEGER;
CREATE INDEX rejected_marked ON rejected (consumer, seq) WHERE retry_at IS NOT NULL;

CREATE TABLE dropped (
  consumer TEXT    NOT NULL,
  reason   TEXT    NOT NULL,
  events   INTEGER NOT NULL,
  PRIMARY KEY (consumer, reason)
) WITHOUT ROWID;
