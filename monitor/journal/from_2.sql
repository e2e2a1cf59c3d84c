-- A journal of layout 2 comes to layout 3 by this, in one transaction, when it is opened to write. schema.sql says
-- what each thing is for.

CREATE TABLE memories (
  source TEXT NOT NULL,
  key    TEXT NOT NULL,
  value  BLOB NOT NULL,
  PRIMARY KEY (source, key)
) WITHOUT ROWID;

ALTER TABLE content ADD COLUMN packed INTEGER NOT NULL DEFAULT 0;
