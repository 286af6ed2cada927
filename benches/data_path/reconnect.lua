-- One probe an event, as readscope takes it; sysbench's own scripts reconnect only every so many events.
function thread_init() driver = sysbench.sql.driver() end

function event()
  local connection = driver:connect()
  connection:query(os.getenv("IDENTITY"))
  connection:disconnect()
end
