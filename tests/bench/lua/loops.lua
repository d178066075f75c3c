-- Computation: nested loops over locals, branches, and a global.
primes = 0
function run(limit)
  local sum = 0
  for i = 0, limit - 1 do
    for j = 0, 999 do
      if j < i then sum = sum + j else sum = sum - i end
    end
  end
  for n = 2, 2999 do
    local prime = true
    local d = 2
    while d * d <= n and prime do
      local rest = n
      while rest >= d * 64 do rest = rest - d * 64 end
      while rest >= d do rest = rest - d end
      if rest == 0 then prime = false end
      d = d + 1
    end
    if prime then primes = primes + 1 end
  end
  return sum
end
print((run(24000) + primes) % 65521)
