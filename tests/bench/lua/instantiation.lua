-- Allocation: small objects of short life, with and without an initializer and fields.
Empty = {}
Empty.__index = Empty
function Empty.new() return setmetatable({}, Empty) end
Point = {}
Point.__index = Point
function Point.init(self, x, y) self.x = x; self.y = y; return self end
function Point.new(x, y) return Point.init(setmetatable({}, Point), x, y) end
function Point:plus(p) return Point.new(self.x + p.x, self.y + p.y) end
Point3 = setmetatable({}, Point)
Point3.__index = Point3
function Point3.new(x, y, z)
  local self = Point.init(setmetatable({}, Point3), x, y)
  self.z = z
  return self
end

sum = Point.new(0, 0)
step = Point.new(1, 2)
for i = 0, 2999999 do
  Empty.new()
  sum = sum:plus(step)
  last = Point3.new(i, 1, 2)
end
print((sum.x + sum.y + last.x + last.z) % 65521)
