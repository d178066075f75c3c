-- Computation: fields read and written, on objects of two classes and at several depths.
Vector = {}
Vector.__index = Vector
function Vector.new(x, y, z) return setmetatable({x = x, y = y, z = z}, Vector) end
Body = {}
Body.__index = Body
function Body.new(mass)
  return setmetatable({mass = mass, place = Vector.new(0, 0, 0), speed = Vector.new(1, 2, 3)}, Body)
end
function Body:move()
  self.place.x = self.place.x + self.speed.x
  self.place.y = self.place.y + self.speed.y
  self.place.z = self.place.z + self.speed.z
  self.mass = self.mass + 1
end

a = Body.new(1)
b = Body.new(2)
for i = 0, 2999999 do
  a:move()
  b:move()
  if a.place.x > b.place.y then print("never") end
end
print((a.place.x + a.place.y + a.place.z + b.mass) % 65521)
