# Fills the claim of a new member: an empty server for the primary, a clone of the primary for a replica. Run by bash, before
# the server. Whatever interrupts it, /var/lib/mysql/data is there only when it is complete.
set -euo pipefail

cd /var/lib/mysql
if [[ -d data ]]; then
  echo "the claim has data already; nothing to clone"
  exit 0
fi
rm -rf partial recipient

# empty DIRECTORY
empty() { mysqld --no-defaults --initialize-insecure --datadir="$PWD/$1"; }

# sql <STATEMENTS: on the server that receives.
sql() { mysql --no-defaults --user=root --socket=/tmp/recipient.sock; }

if [[ $HOSTNAME == *-0 ]]; then
  if timeout 5 bash -c 'exec 3<>/dev/tcp/mysql-read/3306' 2>/dev/null; then
    echo "This claim of the primary is empty, while replicas serve what the primary had; an empty primary would part from" \
      "them for good. Put the primary's data back, or delete the other claims as well to start anew." >&2
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
