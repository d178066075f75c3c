-- Allocation: strings made, compared and dropped; some stay.
function cell(value, next) return {value = value, next = next} end

function digit(n)
  if n == 0 then return "a" end
  if n == 1 then return "b" end
  if n == 2 then return "c" end
  if n == 3 then return "d" end
  if n == 4 then return "e" end
  if n == 5 then return "f" end
  return "g"
end

kept = nil
same = 0
a, b, c, d, e, f = 0, 0, 0, 0, 0, 0
for i = 0, 224999 do
  local word = digit(a) .. digit(b) .. digit(c) .. digit(d) .. digit(e) .. digit(f)
  local line = word .. ", " .. word .. " and " .. word
  if line == word .. ", " .. word .. " and " .. word then same = same + 1 end
  if a == 3 then kept = cell(line, kept) end
  a = a + 1
  if a == 7 then a = 0; b = b + 1 end
  if b == 7 then b = 0; c = c + 1 end
  if c == 7 then c = 0; d = d + 1 end
  if d == 7 then d = 0; e = e + 1 end
  if e == 7 then e = 0; f = f + 1 end
end
for i = 0, 299 do
  local s = ""
  for j = 0, 299 do s = s .. "0123456789" end
  if s ~= "x" then same = same + 1 end
end
count = 0
k = kept
while k ~= nil do count = count + 1; k = k.next end
print((same + count) % 65521)
