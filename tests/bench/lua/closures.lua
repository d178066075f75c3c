-- Allocation: functions made in loops, their captured variables, and chains of them.
function adder(n) local function add(x) return x + n end return add end
function compose(f, g) local function both(x) return f(g(x)) end return both end
function pair(a, b)
  local function choose(first) if first then return a end return b end
  return choose
end

sum = 0
for i = 0, 1199999 do sum = sum + compose(adder(i), adder(1))(0) end

list = nil
for i = 0, 399999 do list = pair(i, list) end
for round = 0, 2 do
  local l = list
  while l ~= nil do sum = sum + l(true); l = l(false) end
end
for i = 0, 899999 do
  local n = i
  local function set(x) n = x end
  local function get() return n end
  set(i + 1)
  sum = sum + get()
end
print(sum % 65521)
