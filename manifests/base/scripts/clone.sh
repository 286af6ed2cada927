# Fills the PVC of a new server: an empty data directory for the primary, a clone of the primary for a replica. bash runs it
# before the server. /var/lib/mysql/data exists only when it is complete, even after an interruption.
set -euo pipefail

cd /var/lib/mysql
if [[ -d data ]]; then
  echo "the PVC has data already; nothing to clone"
  exit 0
fi
rm -rf partial recipient

# empty DIRECTORY
empty() { mysqld --no-defaults --initialize-insecure --datadir="$PWD/$1"; }

# sql <STATEMENTS: runs them on the receiving server.
sql() { mysql --no-defaults --user=root --socket=/tmp/recipient.sock; }

if [[ $HOSTNAME == *-0 ]]; then
  if timeout 5 bash -c 'exec 3<>/dev/tcp/mysql-read/3306' 2>/dev/null; then
    echo "The primary's PVC is empty, but replicas still serve its data; an empty primary would diverge from them." \
      "Restore the primary's data, or delete the other PVCs as well to start from scratch." >&2
    exit 1
  fi
  empty partial
else
  empty recipient
  mysqld --no-defaults --plugin-load-add=mysql_clone.so --skip-networking --skip-log-bin --secure-file-priv=NULL \
    --datadir="$PWD/recipient" --socket=/tmp/recipient.sock --pid-file=/tmp/recipient.pid &
  until sql <<<'SELECT 1' >/dev/null 2>&1; do
    kill -0 $!
    sleep 0.1
  done
  until mysql --defaults-file=/conf/primary-client.cnf --execute='SELECT 1' >/dev/null; do
    echo "waiting for the primary"
    sleep 1
  done
  sql </conf/clone.sql
  wait
  rm -rf recipient
fi
mv -T partial data
