# Readiness probe, run by bash: are reads from this server as fresh as from the primary? `kubectl describe pod` shows its
# output.
set -euo pipefail
longest_lag=30

sql() { mysql --batch --skip-column-names --execute="$1"; }

if [[ $HOSTNAME == *-0 ]]; then
  sql 'SELECT 1' >/dev/null
  exit 0
fi

# After each start, the replica must have every transaction that the primary has now. It is not checked again later: when the
# primary is down, the replicas must stay ready.
caught_up=/run/mysqld/caught-up
if [[ ! $caught_up -nt /run/mysqld/mysqld.pid ]]; then
  gtids=$(mysql --defaults-file=/conf/primary-client.cnf --batch --skip-column-names --execute='SELECT @@global.gtid_executed')
  gtids=${gtids//\\n/}
  if [[ $(sql "SELECT GTID_SUBSET('$gtids', @@global.gtid_executed)") != 1 ]]; then
    echo "not caught up with the primary yet"
    sql "SELECT CONCAT('the connection to the primary: error ', LAST_ERROR_NUMBER, ', ', LAST_ERROR_MESSAGE)
      FROM performance_schema.replication_connection_status WHERE LAST_ERROR_NUMBER"
    exit 1
  fi
  touch "$caught_up"
fi

# After that, the applier must run and must not lag.
problem=$(sql "SELECT CONCAT('the applier has stopped: error ', LAST_ERROR_NUMBER, ', ', LAST_ERROR_MESSAGE)
    FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER LIMIT 1;
  SELECT 'the applier does not run' FROM performance_schema.replication_applier_status WHERE SERVICE_STATE <> 'ON';
  SELECT CONCAT(seconds, ' s behind the primary') FROM (
    SELECT MAX(TIMESTAMPDIFF(SECOND, APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW())) AS seconds
    FROM performance_schema.replication_applier_status_by_worker
    WHERE APPLYING_TRANSACTION <> '' AND APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP > '2000-01-01') AS workers
  WHERE seconds > $longest_lag")
if [[ $problem ]]; then
  echo "$problem"
  exit 1
fi
