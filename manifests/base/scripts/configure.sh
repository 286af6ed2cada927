# Writes this server's configuration and passwords into /conf, which is in memory. bash runs it before the server.
set -euo pipefail

for account in ROOT REPLICATION READSCOPE LAB; do
  variable=${account}_PASSWORD
  [[ -n ${!variable-} ]] || {
    echo "The Secret mysql-passwords is missing or has no key ${account,,}. Create it, and this pod continues by itself:"
    echo "  for account in root replication readscope lab; do echo \"\$account=\$(openssl rand -hex 16)\"; done |"
    echo "    kubectl --namespace mysql create secret generic mysql-passwords --from-env-file=/dev/stdin"
    exit 1
  } >&2
done
((${#REPLICATION_PASSWORD} <= 32)) || {
  echo "The key replication of the Secret mysql-passwords has more than 32 characters, which MySQL does not accept." >&2
  exit 1
}

# quoted TEXT: prints it as an SQL string.
quoted() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}

# account NAME PASSWORD OPTIONS: prints SQL that creates the account, or gives it a changed password. The previous password
# stays valid, so that no client fails during the change. The same password again would discard the previous one, so a
# fingerprint in the account's attributes shows whether it has changed.
account() {
  local fingerprint alter
  fingerprint=$(printf '%s %s' "$1" "$2" | sha256sum | cut -c 1-16)
  alter="ALTER USER $1@'%' IDENTIFIED BY $(quoted "$2") RETAIN CURRENT PASSWORD"
  cat <<SQL
CREATE USER IF NOT EXISTS $1@'%' IDENTIFIED BY $(quoted "$2") $3;
SET @known = (SELECT ATTRIBUTE->>'\$.secret' FROM information_schema.user_attributes WHERE USER = '$1' AND HOST = '%');
SET @change = IF(@known <=> '$fingerprint', 'DO 0', $(quoted "$alter"));
PREPARE change_password FROM @change;
EXECUTE change_password;
ALTER USER $1@'%' ATTRIBUTE '{"secret": "$fingerprint"}';
SQL
}

umask 077
ordinal=${HOSTNAME##*-}
[[ $ordinal == 0 ]] && role=primary || role=replica
{
  cat /scripts/server.cnf "/scripts/$role.cnf"
  printf '%s\n' "server-id = $((100 + ordinal))" "report-host = $HOSTNAME.mysql"
} >/conf/my.cnf

# For `mysql` in this pod: root through the socket.
printf '[client]\nuser = root\nsocket = /run/mysqld/mysqld.sock\npassword = "%s"\n' "${ROOT_PASSWORD//\\/\\\\}" >/conf/.my.cnf

# root exists on each server separately: a new password is in use everywhere only after every pod has restarted.
cat >/conf/start.sql <<SQL
SET GLOBAL super_read_only = OFF;
SET SESSION sql_log_bin = OFF;
ALTER USER root@localhost IDENTIFIED BY $(quoted "$ROOT_PASSWORD");
SET SESSION sql_log_bin = ON;
SQL
if [[ $role == primary ]]; then
  # In the binary log, so that replicas get it too.
  {
    account replication "$REPLICATION_PASSWORD" "REQUIRE SSL"
    echo "GRANT REPLICATION SLAVE, BACKUP_ADMIN ON *.* TO replication@'%';"
    account readscope "$READSCOPE_PASSWORD" "WITH MAX_USER_CONNECTIONS 50"
    account lab "$LAB_PASSWORD" ""
    echo "GRANT ALL ON test.* TO lab@'%';"
  } >>/conf/start.sql
else
  cat >>/conf/start.sql <<SQL
SET GLOBAL super_read_only = ON;
CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'mysql-0.mysql', SOURCE_SSL = 1, SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 5, SOURCE_RETRY_COUNT = 0;
START REPLICA USER = 'replication' PASSWORD = $(quoted "$REPLICATION_PASSWORD");
SQL
  cat >/conf/clone.sql <<SQL
SET GLOBAL clone_valid_donor_list = 'mysql-0.mysql:3306';
CLONE INSTANCE FROM replication@'mysql-0.mysql':3306 IDENTIFIED BY $(quoted "$REPLICATION_PASSWORD")
  DATA DIRECTORY = '/var/lib/mysql/partial' REQUIRE SSL;
SELECT CONCAT('cloned in ', TIMESTAMPDIFF(SECOND, BEGIN_TIME, END_TIME), ' s') FROM performance_schema.clone_status;
SHUTDOWN;
SQL
  # How clone.sh and ready.sh connect to the primary.
  printf '[client]\nuser = replication\nhost = mysql-0.mysql\nssl-mode = REQUIRED\nconnect-timeout = 3\npassword = "%s"\n' \
    "${REPLICATION_PASSWORD//\\/\\\\}" >/conf/primary-client.cnf
fi
