-- psql runs this once, as the superuser, when the volume of the PostgreSQL in docker-compose.yml is empty.
\getenv password POSTGRES_PASSWORD

CREATE ROLE cashsouk_auth LOGIN PASSWORD :'password';

-- The server's statements take milliseconds. These timeouts make the database end a stalled one.
ALTER ROLE cashsouk_auth SET statement_timeout = '2500ms';
ALTER ROLE cashsouk_auth SET lock_timeout = '1500ms';
ALTER ROLE cashsouk_auth SET idle_in_transaction_session_timeout = '4s';

-- The server creates its tables itself: session, and auth_event with AUDIT=true.
CREATE DATABASE cashsouk_auth OWNER cashsouk_auth;

-- The column expire is in UTC. So is now(), when it is compared with expire by hand.
ALTER DATABASE cashsouk_auth SET timezone = 'UTC';

-- The superuser can be reached only inside the container:
-- docker-compose exec db psql --username=postgres cashsouk_auth
ALTER ROLE postgres PASSWORD NULL;
