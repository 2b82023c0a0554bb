-- What wrk sends, and one line of JSON at the end. Arguments after `--`:
--   get PATH KEY           that path, with the API key
--   page PATH COOKIES      that path, as a browser asks for it
--   each FILE KEY          the paths in the lines of that file, one after the other
--   post RUN SHARE CODE…   orders of two different products; SHARE of 100 carry one of the coupon codes; each carries a fresh
--                          Idempotency-Key that begins with RUN, unless RUN is "-"
local api_key = "apitest"
local variants = 1000

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local function order(share, codes)
  local first = math.random(10)
  local second = (first + math.random(9) - 1) % 10 + 1
  local coupon = ""
  if math.random(100) <= share then
    coupon = string.format(',"couponCode":"%s"', codes[math.random(#codes)])
  end
  return string.format(
    '{"items":[{"productId":"%d","quantity":%d},{"productId":"%d","quantity":%d}]%s}',
    first, math.random(3), second, math.random(3), coupon)
end

local placeholder = string.rep("@", 36)
local ready = {}
local tails = {}
local keys

local function prepare_orders(args)
  local codes = {}
  for index = 4, #args do codes[#codes + 1] = args[index] end
  local headers = { ["api_key"] = api_key, ["Content-Type"] = "application/json" }
  if args[2] ~= "-" then
    headers["Idempotency-Key"] = placeholder
    keys = string.format("%s-%d-", args[2], number)
    keys = keys .. string.rep("0", 36 - 10 - #keys)
  end
  for index = 1, variants do
    local text = wrk.format("POST", "/api/order", headers, order(tonumber(args[3]), codes))
    local from, to = text:find(placeholder, 1, true)
    if from then
      ready[index] = text:sub(1, from - 1)
      tails[index] = text:sub(to + 1)
    else
      ready[index] = text
    end
  end
end

function init(args)
  math.randomseed(os.time() * 100 + number)
  if args[1] == "get" then
    variants = 1
    ready[1] = wrk.format("GET", args[2], { ["api_key"] = args[3] or api_key })
  elseif args[1] == "page" then
    variants = 1
    local headers = { ["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8", ["Accept-Encoding"] = "gzip, deflate, br" }
    if args[3] ~= "" then headers["Cookie"] = args[3] end
    ready[1] = wrk.format("GET", args[2], headers)
  elseif args[1] == "each" then
    for path in io.lines(args[2]) do
      ready[#ready + 1] = wrk.format("GET", path, { ["api_key"] = args[3] })
    end
    variants = #ready
  else
    prepare_orders(args)
  end
end

local sent = 0
local index = 0
function request()
  index = index + 1
  if index > variants then index = 1 end
  if keys then
    sent = sent + 1
    return ready[index] .. keys .. string.format("%010d", sent) .. tails[index]
  end
  return ready[index]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"refused":%d,"broken":%d,"timeouts":%d,"micros":%d,"p50":%.1f,"p99":%.1f,"max":%.1f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write, errors.timeout, summary.duration,
    latency:percentile(50), latency:percentile(99), latency.max))
end
