-- Run by psql, once, as the superuser, when the volume of the Compose file's PostgreSQL is empty.
\getenv password POSTGRES_PASSWORD

CREATE ROLE cashsouk_auth LOGIN PASSWORD :'password';

-- What the server does takes milliseconds. These end what has stopped, on the database's side too.
ALTER ROLE cashsouk_auth SET statement_timeout = '2500ms';
ALTER ROLE cashsouk_auth SET lock_timeout = '1500ms';
ALTER ROLE cashsouk_auth SET idle_in_transaction_session_timeout = '4s';

CREATE DATABASE cashsouk_auth OWNER cashsouk_auth;

-- The superuser is reached inside the container alone:
-- docker compose exec postgres psql --username=postgres cashsouk_auth
ALTER ROLE postgres PASSWORD NULL;
