-- Views over the published predictions, for the serverless SQL pool of synapse.bicep. Run them after the deployment:
--   sqlcmd -S <server> -d master -G -Q "CREATE DATABASE tidegate COLLATE Latin1_General_100_BIN2_UTF8"
--   sqlcmd -S <server> -d tidegate -G -v key="<password>" account=<account> container=<container> -i views.sql
-- account and container are those of the datastore workspaceblobstore of the development workspace.

CREATE MASTER KEY ENCRYPTION BY PASSWORD = '$(key)';
GO
CREATE DATABASE SCOPED CREDENTIAL as_synapse WITH IDENTITY = 'Managed Identity';
GO
CREATE EXTERNAL DATA SOURCE published WITH (
  LOCATION = 'https://$(account).blob.core.windows.net/$(container)/predictions',
  CREDENTIAL = as_synapse
);
GO
CREATE EXTERNAL DATA SOURCE history WITH (
  LOCATION = 'https://$(account).blob.core.windows.net/$(container)/history',
  CREDENTIAL = as_synapse
);
GO

-- Every published row, of all versions and generations. The names are in the path: feed/partition/version/generation.
CREATE OR ALTER VIEW dbo.published_rows AS
SELECT
  files.filepath(1) AS feed,
  files.filepath(2) AS partition_name,
  CAST(SUBSTRING(files.filepath(3), CHARINDEX('-', files.filepath(3)) + 1, 10) AS INT) AS version,
  CAST(SUBSTRING(files.filepath(4), 2, 10) AS INT) AS generation,
  files.img,
  files.label,
  files.score,
  files.error
FROM OPENROWSET(BULK '*/*/*/*/predictions.parquet', DATA_SOURCE = 'published', FORMAT = 'PARQUET') AS files;
GO

-- How each generation was reconciled with its manifest.
CREATE OR ALTER VIEW dbo.reconciliations AS
SELECT
  files.filepath(1) AS feed,
  files.filepath(2) AS partition_name,
  CAST(SUBSTRING(files.filepath(3), CHARINDEX('-', files.filepath(3)) + 1, 10) AS INT) AS version,
  CAST(SUBSTRING(files.filepath(4), 2, 10) AS INT) AS generation,
  JSON_VALUE(files.document, '$.verdict') AS verdict,
  CAST(JSON_VALUE(files.document, '$.files') AS INT) AS files,
  CAST(JSON_VALUE(files.document, '$.errors') AS INT) AS errors
FROM OPENROWSET(BULK '*/*/*/*/reconciliation.json', DATA_SOURCE = 'published', FORMAT = 'CSV', FIELDTERMINATOR = '0x0b', FIELDQUOTE = '0x0b', ROWTERMINATOR = '0x0b') WITH (document NVARCHAR(MAX)) AS files;
GO

-- The newest reconciled rows of each partition: the highest version, and of it the highest generation. A result that the
-- service marked superseded is in the ledger only; its files changed, so a higher version follows.
CREATE OR ALTER VIEW dbo.predictions AS
SELECT ranked.feed, ranked.partition_name, ranked.version, ranked.generation, ranked.img, ranked.label, ranked.score, ranked.error
FROM (
  SELECT
    published_rows.*,
    RANK() OVER (
      PARTITION BY published_rows.feed, published_rows.partition_name
      ORDER BY published_rows.version DESC, published_rows.generation DESC
    ) AS age
  FROM dbo.published_rows
  INNER JOIN dbo.reconciliations ON reconciliations.feed = published_rows.feed
    AND reconciliations.partition_name = published_rows.partition_name
    AND reconciliations.version = published_rows.version
    AND reconciliations.generation = published_rows.generation
  WHERE reconciliations.verdict = 'ok'
) AS ranked
WHERE ranked.age = 1;
GO

-- The tables that the service writes each day, with `retention` in tidegate.yml.
CREATE OR ALTER VIEW dbo.partitions AS
SELECT files.*
FROM OPENROWSET(BULK 'tables/partitions.parquet', DATA_SOURCE = 'history', FORMAT = 'PARQUET') AS files;
GO

CREATE OR ALTER VIEW dbo.jobs AS
SELECT files.*
FROM OPENROWSET(BULK 'tables/jobs.parquet', DATA_SOURCE = 'history', FORMAT = 'PARQUET') AS files;
GO

CREATE OR ALTER VIEW dbo.verdicts AS
SELECT files.*
FROM OPENROWSET(BULK 'tables/verdicts.parquet', DATA_SOURCE = 'history', FORMAT = 'PARQUET') AS files;
GO

CREATE OR ALTER VIEW dbo.members AS
SELECT files.*
FROM OPENROWSET(BULK 'tables/members.parquet', DATA_SOURCE = 'history', FORMAT = 'PARQUET') AS files;
GO

-- The activities that were moved to the lake. One that was changed after it was moved is there twice: the newest counts.
CREATE OR ALTER VIEW dbo.activities AS
SELECT ranked.subject, ranked.id, ranked.kind, ranked.at, ranked.title, ranked.text, ranked.data, ranked.cause, ranked.replayed_by
FROM (
  SELECT files.*, ROW_NUMBER() OVER (PARTITION BY files.subject, files.id ORDER BY files.moved_at DESC) AS age
  FROM OPENROWSET(BULK 'activities/*/*.parquet', DATA_SOURCE = 'history', FORMAT = 'PARQUET') AS files
) AS ranked
WHERE ranked.age = 1;
GO
